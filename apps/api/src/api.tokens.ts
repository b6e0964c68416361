/** Injects the `ApiSettings` of this process. */
export const API_SETTINGS = Symbol('API_SETTINGS');
