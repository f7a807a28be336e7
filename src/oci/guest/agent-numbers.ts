/** Numbers of JSON as those of the protocol. JSON has doubles: 2^64 - 1, the usual "infinity", reads as 2^64, which means the largest. */

const maxUint64 = (1n << 64n) - 1n
const maxInt64 = (1n << 63n) - 1n

/** A whole number, not negative. */
export function uint64(value = 0): bigint {
  const whole = BigInt(value)
  return whole > maxUint64 ? maxUint64 : whole
}

/** A whole number from -2^63. */
export function int64(value = 0): bigint {
  const whole = BigInt(value)
  return whole > maxInt64 ? maxInt64 : whole
}
