/** What is written down beside an image: from what it was built, and which bytes its files have. */
import { KataError } from '../errors.ts'
import { list, needed, record } from '../json/compounds.ts'
import { readText } from '../json/document.ts'
import { JsonMismatch } from '../json/place.ts'
import { number, type Reader, text, uint64 } from '../json/values.ts'

/** One file of the image as it was built. */
export interface ImageFile {
  /** Name inside the image's directory. */
  readonly file: string
  /** Lower-case hex. */
  readonly sha256: string
  /** Bytes. */
  readonly size: number
}

/** A Debian package that went into the image. */
export interface ImagePackage {
  readonly name: string
  readonly version: string
  readonly sha256: string
}

export interface ImageManifest {
  readonly id: string
  /** Version of the recipe, raised whenever the same packages would give other bytes. */
  readonly recipe: number
  readonly kernel: ImageFile
  readonly initrd: ImageFile
  /** Kernel modules beyond those of the initrd. Absent in images that were built before there were any. */
  readonly modules?: ImageFile
  /** Modules that the build was asked for beyond its own list. */
  readonly kernelModules?: readonly string[]
  /** `uname -r` of the guest. */
  readonly kernelRelease: string
  readonly agentSha256: string
  /** Absent in images that were built before it was written down. */
  readonly agentVersion?: string
  readonly packages: readonly ImagePackage[]
  /** ISO 8601; the only field that does not follow from the inputs. */
  readonly builtAt: string
}

/** A text of a form, described in words. */
const textLike =
  (form: RegExp, expected: string): Reader<string> =>
  (value, at) => {
    const read = text(value, at)
    if (!form.test(read)) throw at.wrong(value, expected, 'another text')
    return read
  }

const imageFile = record<ImageFile>({
  // It stays inside the directory of the image.
  file: needed(textLike(/^[\w.-]+$/, 'the name of a file')),
  sha256: needed(textLike(/^[0-9a-f]{64}$/, 'a SHA-256 sum')),
  size: needed(uint64),
})

const imageManifest = record<ImageManifest>({
  id: needed(text),
  recipe: needed(number),
  kernel: needed(imageFile),
  initrd: needed(imageFile),
  modules: imageFile,
  kernelModules: list(text),
  kernelRelease: needed(text),
  agentSha256: needed(text),
  agentVersion: text,
  packages: needed(
    list(record<ImagePackage>({ name: needed(text), version: needed(text), sha256: needed(text) })),
  ),
  builtAt: needed(text),
})

/** @throws KataError IMAGE_MANIFEST_CORRUPT unless every field has its type and files stay inside the directory. */
export function parseManifest(json: string, path: string): ImageManifest {
  try {
    return readText(imageManifest, json)
  } catch (cause) {
    if (!(cause instanceof JsonMismatch)) throw cause
    throw new KataError('IMAGE_MANIFEST_CORRUPT', { path, reason: cause.message }, { cause })
  }
}
