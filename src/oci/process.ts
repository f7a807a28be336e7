/** The reader of an OCI process: of a container's first, and of an exec. */
import { list, needed, record } from '../json/compounds.ts'
import { bool, int64, type Reader, text, uint32, uint64 } from '../json/values.ts'
import type { OciCapabilities, OciConsoleSize, OciProcess, OciRlimit, OciUser } from './spec.ts'

const texts = list(text)

/** As runc takes it. The error does not show the text, which may be a secret. */
const variable: Reader<string> = (value, at) => {
  const line = text(value, at)
  const equals = line.indexOf('=')
  if (equals > 0) return line
  throw at.wrong(value, 'NAME=value', equals === 0 ? 'a value without a name' : 'a text without =')
}

export const processReader = () =>
  record<OciProcess>({
    terminal: bool,
    consoleSize: record<OciConsoleSize>({ height: needed(uint32), width: needed(uint32) }),
    user: record<OciUser>({
      uid: uint32,
      gid: uint32,
      additionalGids: list(uint32),
      username: text,
      umask: uint32,
    }),
    args: texts,
    env: list(variable),
    cwd: text,
    capabilities: record<OciCapabilities>({
      bounding: texts,
      effective: texts,
      inheritable: texts,
      permitted: texts,
      ambient: texts,
    }),
    rlimits: list(record<OciRlimit>({ type: needed(text), soft: needed(uint64), hard: needed(uint64) })),
    noNewPrivileges: bool,
    apparmorProfile: text,
    oomScoreAdj: int64,
    selinuxLabel: text,
  })
