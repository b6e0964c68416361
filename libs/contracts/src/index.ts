export { exitWith, ONE_ERROR_MESSAGE, readAppSettings, StartError, type AppSettings } from './app-settings.js';
export { errorCode } from './error-code.js';
export { DocumentDigest, type DocumentJob, type DocumentResult } from './document-digest.js';
export { DocumentFiles, isDocumentId, type StoredFile } from './document-files.js';
