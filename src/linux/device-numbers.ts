/** Device numbers as stat(2) packs them (makedev(3)). */

export interface DeviceNumbers {
  readonly major: number
  readonly minor: number
}

/** Splits `rdev`, or any other `dev_t`. */
export function deviceNumbers(dev: number): DeviceNumbers {
  const packed = BigInt(dev)
  const major = ((packed >> 8n) & 0xfffn) | ((packed >> 32n) & 0xfffff000n)
  const minor = (packed & 0xffn) | ((packed >> 12n) & 0xffffff00n)
  return { major: Number(major), minor: Number(minor) }
}
