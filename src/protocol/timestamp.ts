import type { Timestamp } from './generated/google/protobuf/timestamp.ts'

/** A moment as messages of containerd carry it. */
export function toTimestamp(date: Date): Timestamp {
  const ms = date.getTime()
  return { seconds: BigInt(Math.floor(ms / 1000)), nanos: (ms % 1000) * 1_000_000 }
}
