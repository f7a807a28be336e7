import { existsSync, statSync } from 'node:fs'
import { SandboxError } from './error.ts'

/** Whether an image is a path of the host, and no name: a name begins with neither `/` nor `.`, whatever the current directory holds. */
export const isImagePath = (image: string): boolean => /^[./-]/.test(image)

/**
 * Refuses a name that an archive, or a directory with an OCI layout, has as well: another image would run than was meant.
 *
 * @throws SandboxError OPTION_INVALID.
 */
export function requireClearImage(image: string | undefined): void {
  if (image === undefined || isImagePath(image)) return
  const paths = [image, image.replace(/:[^/:]*$/, '')]
  if (!paths.some((path) => isFile(path) || existsSync(`${path}/oci-layout`))) return
  throw new SandboxError('OPTION_INVALID', `the image ${image} is a name, and a file of that name is here`, {
    remedy: `For the file, write ./${image}; for a name, with its registry: docker.io/library/${image}.`,
  })
}

const isFile = (path: string): boolean => existsSync(path) && !statSync(path).isDirectory()
