/** Compiles src/assembly/*.ts, which is AssemblyScript, to dist/assembly/*.wasm: those that changed. */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const [from, to] = ['src/assembly', 'dist/assembly'];
const OPTIONS = ['-O3', '--runtime', 'stub', '--importMemory', '--enable', 'simd', '--noAssert'];

const changed = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
const work = readdirSync(from)
  .filter((file) => file.endsWith('.ts'))
  .map((file) => ({ source: join(from, file), target: join(to, `${basename(file, '.ts')}.wasm`) }))
  .filter(
    ({ source, target }) => changed(target) <= Math.max(changed(source), changed(import.meta.filename)),
  );

if (work.length > 0) {
  const { default: asc } = await import('assemblyscript/asc');
  mkdirSync(to, { recursive: true });
  for (const { source, target } of work) {
    const { error, stderr } = await asc.main([source, '--outFile', target, ...OPTIONS], {
      readFile: (name) => {
        try {
          return readFileSync(name, 'utf8');
        } catch {
          return null;
        }
      },
      writeFile: (name, contents) => writeFileSync(name, contents),
      listFiles: () => [],
    });
    if (error) {
      console.error(`${stderr.toString()}${error.message}`);
      process.exit(1);
    }
  }
}
