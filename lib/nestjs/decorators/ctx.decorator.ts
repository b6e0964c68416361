import { parameterDecorator } from '../invocation/parameter-decorator.js';
import { JobParam } from '../invocation/parameters.js';

/**
 * Parameter decorator: the context of the job. Pipes leave it alone; a listener has none.
 *
 * @example
 * @Worker(Encode)
 * async encode(@Payload('file') file: string, @Ctx() { signal }: JobContext): Promise<string> {}
 * @publicApi
 */
export function Ctx(): ParameterDecorator {
  return parameterDecorator(JobParam.CONTEXT, undefined, []);
}
