/**
 * The one reader of OCI JSON: a container's config.json, the process of an exec, the limits of an update. It is called where
 * these come in, and nothing behind it looks at JSON again.
 *
 * Fields that it does not know are left out: the agent's protocol has no place for them, and what is not looked at must not
 * be carried on. Their names are told, so that a caller can say which wishes a container in a machine does not get.
 */
import { KataError } from '../errors.ts'
import { dictionary, list, needed, record } from '../json/compounds.ts'
import { type ReadOptions, readText, readValue } from '../json/document.ts'
import { JsonMismatch } from '../json/place.ts'
import { bool, positive, type Reader, text, textUpTo } from '../json/values.ts'
import { requireOneClient } from './annotations.ts'
import { idMappingsReader, linuxReader } from './linux.ts'
import { processReader } from './process.ts'
import { type OciResources, resourcesReader } from './resources.ts'
import type { OciHook, OciHooks, OciMount, OciProcess, OciRoot, OciSpec } from './spec.ts'

/** Longest value of an annotation in bytes: Kata's hold whole policies in base64. */
const maxAnnotationBytes = 1024 * 1024

const absolutePath: Reader<string> = (value, at) => {
  const path = text(value, at)
  if (!path.startsWith('/')) throw at.wrong(value, 'an absolute path', 'another text')
  return path
}

const hooksReader = () =>
  list(record<OciHook>({ path: needed(absolutePath), args: list(text), env: list(text), timeout: positive }))

const specReader = () =>
  record<OciSpec>({
    ociVersion: text,
    root: record<OciRoot>({ path: needed(text), readonly: bool }),
    process: processReader(),
    hostname: text,
    domainname: text,
    mounts: list(
      record<OciMount>({
        destination: needed(text),
        type: text,
        source: text,
        options: list(text),
        uidMappings: idMappingsReader(),
        gidMappings: idMappingsReader(),
      }),
    ),
    hooks: record<OciHooks>({
      prestart: hooksReader(),
      createRuntime: hooksReader(),
      createContainer: hooksReader(),
      startContainer: hooksReader(),
      poststart: hooksReader(),
      poststop: hooksReader(),
    }),
    annotations: dictionary(textUpTo(maxAnnotationBytes)),
    linux: linuxReader(),
  })

/** A value that JSON.parse made of a config.json. @throws KataError OCI_SPEC_INVALID naming the field. */
export function parseSpec(json: unknown, dropped?: string[]): OciSpec {
  return coded(() => fromOneClient(readValue(specReader(), json, dropped === undefined ? {} : { dropped })))
}

/** The text of a config.json. @throws KataError OCI_SPEC_INVALID naming the field. */
export function parseSpecText(json: string, dropped?: string[]): OciSpec {
  return coded(() => fromOneClient(readText(specReader(), json, dropped === undefined ? {} : { dropped })))
}

/** The text of a `process` object, as an exec has it. @throws KataError OCI_SPEC_INVALID naming the field. */
export function parseProcessText(json: string, dropped: string[] = []): OciProcess {
  return coded(() => readText(processReader(), json, { path: 'process', dropped } satisfies ReadOptions))
}

/** The text of a `linux.resources` object, as an update has it. @throws KataError OCI_SPEC_INVALID naming the field. */
export function parseResourcesText(json: string, dropped: string[] = []): OciResources {
  return coded(() =>
    readText(resourcesReader(), json, { path: 'linux.resources', dropped } satisfies ReadOptions),
  )
}

function fromOneClient(read: OciSpec): OciSpec {
  requireOneClient(read)
  return read
}

/** The result of `read`. @throws KataError OCI_SPEC_INVALID in place of a JsonMismatch. */
export function coded<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (!(cause instanceof JsonMismatch)) throw cause
    const { path, expected, found } = cause
    throw new KataError('OCI_SPEC_INVALID', { path: path || 'its root', expected, found }, { cause })
  }
}
