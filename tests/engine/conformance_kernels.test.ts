import { conform } from './conformance.js';
import { kernelCases } from './kernel_cases.js';

await conform(kernelCases);
