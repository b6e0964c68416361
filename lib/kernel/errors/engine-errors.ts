import { OqronError } from './oqron-error.js';

/**
 * The engine is not in the state that the call needs (not started yet, stopping, stopped).
 * @publicApi
 */
export class EngineStateError extends OqronError {
  constructor(where: string, problem: string) {
    super('ENGINE_STATE', `${where}: ${problem}`);
  }
}
