// Compiles TypeScript as the other tests do, after a switch has taken its feature out of one file.
import swc from '@swc/jest';

/** By what was compiled: the projects of one run share nearly all files, and Jest keeps a cache for each of them. */
const compiled = new Map();

export default {
  createTransformer({ options, change }) {
    const compiler = swc.createTransformer(options);
    const changed = (source, path) => {
      if (!change || !path.endsWith(`/${change.file}`)) return source;
      const parts = source.split(change.find);
      if (parts.length !== 2) {
        throw new Error(`${change.file} has "${change.find}" ${parts.length - 1} times: see teeth/switches.mjs.`);
      }
      return parts.join(change.replace);
    };
    return {
      process(source, path, how) {
        const text = changed(source, path);
        const key = JSON.stringify([text, path, how.supportsStaticESM]);
        const code = compiled.get(key) ?? compiler.process(text, path, how);
        compiled.set(key, code);
        return { ...code };
      },
      // Jest asks for it before it looks into its cache: what a switch changed must not be found there later.
      getCacheKey: (source, path, how) => compiler.getCacheKey(changed(source, path), path, how),
    };
  },
};
