/** The messages of an event file, as far as scalars need them. Source: tensorflow/core/util/event.proto. */
import protobuf from 'protobufjs';

const SCHEMA = `
syntax = "proto3";
message Value { string tag = 1; float simple_value = 2; }
message Summary { repeated Value value = 1; }
message Event { double wall_time = 1; int64 step = 2; oneof what { string file_version = 3; Summary summary = 5; } }
`;

const Event = protobuf.parse(SCHEMA, { keepCase: true }).root.lookupType('Event');

/** A value at a step. */
export interface Scalar {
  tag: string;
  value: number;
  step: number;
  /** Seconds since 1970. */
  time: number;
}

/** What every event file begins with. */
export const encodeVersion = (time: number): Uint8Array =>
  Event.encode({ wall_time: time, file_version: 'brain.Event:2' }).finish();

export const encodeScalar = ({ tag, value, step, time }: Scalar): Uint8Array =>
  Event.encode({ wall_time: time, step, summary: { value: [{ tag, simple_value: value }] } }).finish();
