import type { Module } from '../nn/index.js';
import type { ParamGroup } from './adamw.js';

/**
 * Two groups: what decays, and what does not (vectors, and names with "bias", "ln" or "bn").
 * Source: lavis/models/base_model.py, get_optimizer_params.
 */
export function optimizerGroups(model: Module, weightDecay: number): ParamGroup[] {
  const entries = [...model.namedParameters()];
  const decays = ([name, { rank }]: (typeof entries)[number]) => rank >= 2 && !/bias|ln|bn/.test(name);
  const group = (wanted: boolean, decay: number): ParamGroup => {
    const members = entries.filter((entry) => decays(entry) === wanted);
    return {
      names: members.map(([name]) => name),
      params: members.map(([, value]) => value),
      weightDecay: decay,
    };
  };
  return [group(true, weightDecay), group(false, 0)];
}
