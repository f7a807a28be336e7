/** A process that comes through the door (confine.ts) in stages: started, built up by its owner, and only then looked at. */
import type { Ledger } from '../ledger/ledger.ts'
import { processResource } from '../ledger/process-resource.ts'
import { confirmLaunched, heldAsProcess, launchHeld, type Start } from './confine.ts'
import type { LaunchedProcess } from './jail/launch-spec.ts'
import type { Asked, Launched } from './launcher.ts'
import type { ExpectedPosture } from './posture/posture-check.ts'
import { recordHandover } from './posture/posture-record.ts'

export class ConfinedProcess {
  readonly #ledger: Ledger
  readonly #start: Start<Launched>
  readonly #launched: Launched

  private constructor(ledger: Ledger, start: Start<Launched>, launched: Launched) {
    this.#ledger = ledger
    this.#start = start
    this.#launched = launched
  }

  /** The first stage: it is in the ledger and runs. @throws KataError those of the launcher; no process is left then. */
  static async start(ledger: Ledger, start: Start<Launched>): Promise<ConfinedProcess> {
    const heldAs = heldAsProcess(start.name)
    const launched = await ledger.take(heldAs.kind, heldAs.data([]), (entry) =>
      launchHeld(entry, heldAs, start),
    )
    return new ConfinedProcess(ledger, start, launched)
  }

  get launched(): LaunchedProcess {
    return this.#launched
  }

  /**
   * The second stage: compares it and its companions with what was asked for, and notes for audits what it may be from now on.
   *
   * @throws KataError POSTURE_DIFFERS, PROCESS_GONE.
   */
  confirm(asked: Asked): Promise<void> {
    return confirmLaunched(this.#start, this.#launched, asked)
  }

  /** Compares the program again, once it has begun its work, and notes `expected` for audits. @throws KataError as {@link confirm}. */
  confirmAtWork(expected: ExpectedPosture): Promise<void> {
    const alone = { ...this.#launched, companions: [] }
    return confirmLaunched(this.#start, alone, { checked: expected, working: expected })
  }

  /** Notes for audits that it got these descriptors of ours under `key`; with none, that it has given them back. */
  handedOver(key: string, fds: readonly number[]): void {
    recordHandover(this.#start.stateDir, this.#start.name, { key, fds })
  }

  /** Ends it and waits for that. @throws KataError PROCESS_STAYS. */
  async end(): Promise<void> {
    const { ref, exited } = this.#launched
    await this.#ledger.release(processResource, (held) => held.ref?.pid === ref.pid)
    await exited
  }
}
