/** Gets the uncompressed kernel out of a bzImage: a VMM starts it directly, which saves the guest a second of unpacking. */
import { KataError } from '../errors.ts'

/**
 * The vmlinux ELF file inside `bzImage`. Offsets of the setup header: Documentation/arch/x86/boot.rst
 * (setup_sects 0x1f1, payload_offset 0x248, payload_length 0x24c). The payload ends with its own uncompressed size.
 *
 * @throws KataError IMAGE_KERNEL_FORMAT when it is not a bzImage with a zstd payload. `path` is only named in it.
 */
export function extractVmlinux(bzImage: Uint8Array, path: string): Uint8Array {
  const fault = (reason: string) => new KataError('IMAGE_KERNEL_FORMAT', { path, reason })
  const file = Buffer.from(bzImage.buffer, bzImage.byteOffset, bzImage.byteLength)
  if (file.length < 0x250 || file.toString('latin1', 0x202, 0x206) !== 'HdrS')
    throw fault('it is not a bzImage')
  const setupSectors = file[0x1f1] || 4
  const start = (setupSectors + 1) * 512 + file.readUInt32LE(0x248)
  const end = start + file.readUInt32LE(0x24c)
  if (end > file.length || end - start < 8) throw fault('its payload lies beyond the end of the file')
  if (file.readUInt32LE(start) !== 0xfd2fb528) throw fault('its payload is not compressed with zstd')
  const kernel = unpack(file.subarray(start, end - 4))
  if (kernel === undefined || kernel.length !== file.readUInt32LE(end - 4))
    throw fault('its payload is damaged')
  if (kernel.toString('latin1', 0, 4) !== '\x7fELF') throw fault('its payload is not an ELF file')
  return kernel
}

function unpack(payload: Uint8Array): Buffer | undefined {
  try {
    return Bun.zstdDecompressSync(payload)
  } catch {
    return undefined
  }
}
