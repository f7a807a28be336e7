/**
 * What one sandbox holds on the host. Each holding is written down before it is taken and released in reverse order;
 * normal teardown, `shim delete` after a crash and `kata-ts gc` all run {@link Ledger.releaseAll}, so there is one
 * way to undo a thing and it works from disk.
 *
 * The file holds one JSON record a line. A record that a crash or a full disk cut short is ignored: its resource was not taken yet. Once much
 * was released, the file is written anew with what is still held.
 */
import { appendFileSync, readFileSync } from 'node:fs'
import { KataError } from '../errors.ts'
import { needed, record } from '../json/compounds.ts'
import { anything, readText } from '../json/document.ts'
import { choice, text, uint32 } from '../json/values.ts'
import { replaceFile } from '../linux/files/replace-file.ts'
import type { Logger } from '../log.ts'
import type { Failpoints } from './failpoints.ts'

/** A sort of holding. `release` undoes it from its data alone and succeeds when there is nothing (left) to undo. */
export interface ResourceKind<Data> {
  readonly kind: string
  release(data: Data, log: Logger): Promise<void> | void
}

interface Holding {
  readonly id: number
  readonly kind: string
  data: unknown
}

/** A written-down holding whose data may be completed, for instance by the pid that only exists after a spawn. */
export interface LedgerEntry<Data> {
  readonly id: number
  amend(data: Data): void
}

type LedgerRecord =
  | { op: 'take'; id: number; kind: string; data: unknown }
  | { op: 'amend'; id: number; data: unknown }
  | { op: 'release'; id: number }

/** The data are for the kind of holding to understand. */
const ledgerLine = record<{
  readonly op: LedgerRecord['op']
  readonly id: number
  readonly kind?: string
  readonly data?: unknown
}>({ op: needed(choice('take', 'amend', 'release')), id: needed(uint32), kind: text, data: anything })

/**
 * So much may be appended before the file is written anew, bytes. A pod may live for months, and each restart of one of its containers adds
 * some KiB; the file is in the host's memory.
 */
const mostAppended = 256 * 1024

export class Ledger {
  readonly path: string
  readonly #kinds: Map<string, ResourceKind<never>>
  readonly #log: Logger
  readonly #failpoints: Failpoints | undefined
  readonly #holdings: Holding[] = []
  #nextId = 1
  /** Whether the file may end in a part of a record, which must not swallow the next one. */
  #isTorn: boolean
  /** Since the file was written anew, or was opened. */
  #appended = 0

  /** Opens the ledger at `path`, with what an earlier process left in it. `kinds` are all sorts it may hold. */
  constructor(path: string, kinds: readonly ResourceKind<never>[], log: Logger, failpoints?: Failpoints) {
    this.path = path
    this.#kinds = new Map(kinds.map((kind) => [kind.kind, kind]))
    this.#log = log
    this.#failpoints = failpoints
    const text = readLedger(path)
    this.#replay(text)
    // Not mended here: many only read, and on a full disk there is no room for that while everything has to be released.
    this.#isTorn = text !== '' && !text.endsWith('\n')
  }

  /** Kinds held now, oldest first. */
  get held(): readonly string[] {
    return this.#holdings.map((holding) => holding.kind)
  }

  /** Data of every current holding of this kind, oldest first. */
  dataOf<Data>(kind: ResourceKind<Data>): Data[] {
    return this.#holdings
      .filter((holding) => holding.kind === kind.kind)
      .map((holding) => holding.data as Data)
  }

  /**
   * Writes the holding down, then takes it. When `acquire` throws, what it may have taken is released at once, or once
   * `releaseAfter` has settled, and the error passes on, whatever comes of the release.
   */
  async take<Data, Taken>(
    kind: ResourceKind<Data>,
    data: Data,
    acquire: (entry: LedgerEntry<Data>) => Promise<Taken> | Taken,
    { releaseAfter }: { readonly releaseAfter?: Promise<void> | undefined } = {},
  ): Promise<Taken> {
    const holding: Holding = { id: this.#nextId++, kind: kind.kind, data }
    this.#append({ op: 'take', ...holding })
    this.#holdings.push(holding)
    const amend = (newer: Data) => this.#amend(holding, newer)
    try {
      await this.#failpoints?.reach('before-take', kind.kind)
      const taken = await acquire({ id: holding.id, amend })
      await this.#failpoints?.reach('after-take', kind.kind)
      return taken
    } catch (error) {
      await releaseAfter
      // What could not be released stays written down, and was logged.
      await this.#releaseAll([holding]).catch(() => {})
      throw error
    }
  }

  /** Replaces the data of the newest holding of `kind` that `matches`; does nothing when there is none. */
  amend<Data>(kind: ResourceKind<Data>, matches: (data: Data) => boolean, newer: Data): void {
    const holding = this.#holdings.findLast((held) => held.kind === kind.kind && matches(held.data as Data))
    if (holding !== undefined) this.#amend(holding, newer)
  }

  /** Releases the newest holding of `kind` that `matches`; does nothing when there is none. */
  async release<Data>(
    kind: ResourceKind<Data>,
    matches: (data: Data) => boolean = () => true,
  ): Promise<void> {
    const holding = this.#holdings.findLast((held) => held.kind === kind.kind && matches(held.data as Data))
    if (holding !== undefined) await this.#release(holding)
  }

  /**
   * Releases everything, newest first. One failure does not keep the others from being released; the failed ones
   * stay written down for the next attempt.
   *
   * @throws KataError RELEASE_FAILED naming what is still held.
   */
  releaseAll(): Promise<void> {
    return this.#releaseAll(this.#holdings)
  }

  /**
   * Runs `work` and releases what it took, newest first, whatever comes of it.
   *
   * @throws KataError RELEASE_FAILED naming what is still held; what `work` throws counts more.
   */
  async within<T>(work: () => Promise<T>): Promise<T> {
    const first = this.#nextId
    const taken = () => this.#holdings.filter(({ id }) => id >= first)
    let result: T
    try {
      result = await work()
    } catch (error) {
      // As in `take`.
      await this.#releaseAll(taken()).catch(() => {})
      throw error
    }
    await this.#releaseAll(taken())
    return result
  }

  /** In reverse order. @throws KataError RELEASE_FAILED; each failure is logged. */
  async #releaseAll(holdings: readonly Holding[]): Promise<void> {
    const failures: unknown[] = []
    for (const holding of holdings.toReversed()) {
      try {
        await this.#release(holding)
      } catch (error) {
        failures.push(error)
        this.#log.error('release failed', { kind: holding.kind, data: holding.data, error })
      }
    }
    if (failures.length > 0) {
      throw new KataError(
        'RELEASE_FAILED',
        { held: this.held.join(', '), reason: String(failures[0]) },
        { cause: failures[0] },
      )
    }
  }

  async #release(holding: Holding): Promise<void> {
    const kind = this.#kinds.get(holding.kind)
    if (kind === undefined)
      throw new KataError('LEDGER_KIND_UNKNOWN', { kind: holding.kind, path: this.path })
    await this.#failpoints?.reach('before-release', kind.kind)
    await kind.release(holding.data as never, this.#log)
    await this.#failpoints?.reach('after-release', kind.kind)
    const index = this.#holdings.indexOf(holding)
    // Another caller has released it meanwhile.
    if (index < 0) return
    this.#holdings.splice(index, 1)
    try {
      this.#append({ op: 'release', id: holding.id })
    } catch (error) {
      // On a full disk only the record is missing: a later process releases it again, which does nothing.
      this.#log.warn('a release could not be written down', { kind: holding.kind, error })
    }
    if (this.#appended > mostAppended) this.#rewrite()
  }

  /** In one step: another process reads the old file or the new one. Nobody else writes while this process has the sandbox. */
  #rewrite(): void {
    // Whatever comes of it: the next try is as far away.
    this.#appended = 0
    const lines = this.#holdings.map((holding) => `${JSON.stringify({ op: 'take', ...holding })}\n`)
    try {
      replaceFile(this.path, lines.join(''))
      this.#isTorn = false
    } catch (error) {
      this.#log.debug('the ledger stays as long as it is', { path: this.path, error })
    }
  }

  #amend(holding: Holding, newer: unknown): void {
    // First: without room for the record, what there is now is released all the same.
    holding.data = newer
    this.#append({ op: 'amend', id: holding.id, data: newer })
  }

  #append(record: LedgerRecord): void {
    const line = `${this.#isTorn ? '\n' : ''}${JSON.stringify(record)}\n`
    // A disk that gets full takes the beginning of it.
    this.#isTorn = true
    appendFileSync(this.path, line, { mode: 0o600 })
    this.#isTorn = false
    this.#appended += line.length
  }

  #replay(text: string): void {
    for (const line of text.split('\n')) {
      const record = parseRecord(line)
      if (record === undefined) continue
      this.#nextId = Math.max(this.#nextId, record.id + 1)
      const index = this.#holdings.findIndex((holding) => holding.id === record.id)
      if (record.op === 'take') this.#holdings.push({ id: record.id, kind: record.kind, data: record.data })
      else if (record.op === 'amend' && index >= 0) this.#holdings[index]!.data = record.data
      else if (record.op === 'release' && index >= 0) this.#holdings.splice(index, 1)
    }
  }
}

/** What a crash cut short is no JSON; what is JSON of another form is not ours, and was not taken by us either. */
function parseRecord(line: string): LedgerRecord | undefined {
  try {
    const { op, id, kind = '', data } = readText(ledgerLine, line)
    return op === 'take' ? { op, id, kind, data } : op === 'amend' ? { op, id, data } : { op, id }
  } catch {
    return undefined
  }
}

/** Empty for one that is not there: a list of sandboxes has those that end, too. */
function readLedger(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}
