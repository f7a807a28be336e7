/** What is written down beside a saved machine: which one it is, of what it was made, and which bytes its files have. */
import { describeError, KataError } from '../../errors.ts'
import { needed, record } from '../../json/compounds.ts'
import { readFile } from '../../json/document.ts'
import { choice, exactly, positive, type Reader, textUpTo } from '../../json/values.ts'
import type { FileFacts } from '../../linux/files/file-facts.ts'
import type { SavedFiles } from '../../vmm/vmm.ts'

export interface TemplateFacts {
  readonly version: 2
  /** 64 hexadecimal digits for all that a pod must have in common with it. */
  readonly key: string
  /** ISO 8601. */
  readonly madeAt: string
  /** The boot of the host in which it was made. */
  readonly bootId: string
  /** Path of the program. */
  readonly vmm: string
  readonly kernel: string
  readonly initrd: string
  readonly accelerator: 'kvm' | 'tcg'
  readonly vcpus: number
  readonly memoryMiB: number
  /** The facts of the saved machine's files. */
  readonly saved: { readonly state: FileFacts; readonly memory?: FileFacts }
}

/** What is said of a template before its files are looked at. */
export type TemplateOrigin = Omit<TemplateFacts, 'version' | 'saved'>

export interface Template {
  readonly facts: TemplateFacts
  /** What its clones go on from. */
  readonly saved: SavedFiles
}

/** The names of all files in the directory of a template. */
export const templateFiles = { state: 'state', memory: 'memory', facts: 'template.json' } as const

/** A text of a form, described in words. */
const textLike =
  (form: RegExp, expected: string): Reader<string> =>
  (value, at) => {
    const read = textUpTo(64)(value, at)
    if (!form.test(read)) throw at.wrong(value, expected, 'another text')
    return read
  }

const path = textUpTo(4095)

const fileFactsReader = () =>
  record<FileFacts>({
    bytes: needed(positive),
    changedAt: needed(textLike(/^\d{1,20}$/, 'nanoseconds')),
  })

const factsReader = () =>
  record<TemplateFacts>({
    version: needed(exactly(2)),
    key: needed(textLike(/^[0-9a-f]{64}$/, '64 hexadecimal digits')),
    madeAt: needed(textLike(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/, 'a time')),
    bootId: needed(textLike(/^[0-9a-f-]{36}$/, 'the id of a boot')),
    vmm: needed(path),
    kernel: needed(path),
    initrd: needed(path),
    accelerator: needed(choice('kvm', 'tcg')),
    vcpus: needed(positive),
    memoryMiB: needed(positive),
    saved: needed(
      record<TemplateFacts['saved']>({ state: needed(fileFactsReader()), memory: fileFactsReader() }),
    ),
  })

/** @throws KataError TEMPLATE_DAMAGED. */
export function readTemplateFacts(file: string): TemplateFacts {
  try {
    return readFile(factsReader(), file)
  } catch (cause) {
    throw new KataError('TEMPLATE_DAMAGED', { path: file, reason: describeError(cause) }, { cause })
  }
}
