/** Pieces of WGSL that several shaders share. */

/** Threads of a workgroup in element-wise shaders. */
export const LANES = 256;

export const groupsOf = (size: number, each = LANES): number => Math.ceil(size / each);

/** What every entry point may ask for; `group` numbers the workgroups, `lane` the threads of one. */
export const main = (lanes: number, body: string): string => `
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let group = workgroup.y * workgroups.x + workgroup.x;
${body}
}`;

type Binding = readonly [name: string, access: 'read' | 'read_write', element: string];

/** Storage buffers by binding number, then the parameters as a struct of scalars, named `p`. */
export function bindings(buffers: readonly Binding[], params: Record<string, 'u32' | 'f32'>): string {
  const lines = buffers.map(
    ([name, access, element], i) =>
      `@group(0) @binding(${i}) var<storage, ${access}> ${name}: array<${element}>;`,
  );
  const fields = Object.entries(params).map(([name, type]) => `${name}: ${type}`);
  return `${lines.join('\n')}
struct Params { ${fields.join(', ')} }
@group(0) @binding(${buffers.length}) var<uniform> p: Params;`;
}

/** Sum and maximum over the threads of a workgroup; all of them must call. */
export const reductions = (lanes: number): string => `
var<workgroup> lanes: array<f32, ${lanes}>;
fn sum_of(value: f32, lane: u32) -> f32 {
  workgroupBarrier();
  lanes[lane] = value;
  workgroupBarrier();
  for (var half = ${lanes / 2}u; half > 0u; half >>= 1u) {
    if (lane < half) { lanes[lane] += lanes[lane + half]; }
    workgroupBarrier();
  }
  return lanes[0];
}
fn max_of(value: f32, lane: u32) -> f32 {
  workgroupBarrier();
  lanes[lane] = value;
  workgroupBarrier();
  for (var half = ${lanes / 2}u; half > 0u; half >>= 1u) {
    if (lane < half) { lanes[lane] = max(lanes[lane], lanes[lane + half]); }
    workgroupBarrier();
  }
  return lanes[0];
}`;

/** Element i's factor under dropout: 0 or p.keep, as src/engine/fused/dropout.ts has it. */
export const DROPOUT = `
fn kept(i: u32) -> f32 {
  var h = p.start ^ (i * 0x9e3779b1u);
  h = (h ^ (h >> 16u)) * 0x7feb352du;
  h = (h ^ (h >> 15u)) * 0x846ca68bu;
  h = h ^ (h >> 16u);
  return select(p.keep, 0.0, h < p.threshold);
}`;
