import { conform } from './conformance.js';
import { fusedCases } from './fused_cases.js';

await conform(fusedCases);
