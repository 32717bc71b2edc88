/** ONNX Runtime looks for it in the process's environment as it is loaded. */
const SWITCH = 'ORT_DISABLE_TELEMETRY';

interface Koffi {
  load(path: null): { func(name: string, result: string, args: string[]): (...args: unknown[]) => unknown };
}

/**
 * Turns ONNX Runtime's telemetry off; must run before the library is loaded. From 1.30 on Linux and macOS it
 * leaves a device id and a database in the user's cache and a log in the temporary folder, looks up its vendor's
 * host, and overflows the stack on a command line of some 7 kB. (What it tells Windows' event log is turned off
 * once there is an environment to turn it off for: see sessions.ts.)
 */
export function withoutTelemetry(koffi: Koffi): void {
  process.env[SWITCH] = '1';
  // In a worker thread process.env is a copy: the library reads the process's own variables.
  if (process.platform === 'win32') return;
  const setenv = koffi.load(null).func('setenv', 'int', ['str', 'str', 'int']);
  setenv(SWITCH, '1', 1);
}
