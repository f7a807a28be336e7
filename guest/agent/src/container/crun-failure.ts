/** What crun's words for a failure mean. Pure: tested on the host. */
import type { TtrpcError } from '../../../../src/ttrpc/ttrpc.ts'
import {
  commandNotExecutable,
  commandNotFound,
  internal,
  mountKind,
  sysctlRefused,
  workdirInvalid,
} from '../errors.ts'

/**
 * crun answers every failure with the same exit code, and its log has words only. They are read here, beside the crun that
 * the guest image brings (1.21); the host gets a reason. Of a program whose interpreter is missing, crun suspects a library.
 */
const notFound =
  /^executable file `.*` not found|^cannot find `` in \$PATH|^exec container process (\(missing dynamic library\?\)|.*No such file)/s
const notExecutable =
  /^the path `.*` (is not a regular file|exists but it is not executable)|^exec container process /s
const wrongKind =
  /^(mount `.*` to `.*`|the target `.*` is invalid|error creating directory `.*` since .* is not a directory): Not a directory$/s

/** The answer to the host; `message` is crun's last word, if it had one. */
export function crunFailure(verb: string, code: number, message: string | undefined): TtrpcError {
  if (message === undefined) return internal(`crun ${verb} ended with ${code} and no message`)
  if (notFound.test(message)) return commandNotFound(message)
  if (notExecutable.test(message)) return commandNotExecutable(message)
  if (message.startsWith('chdir to `')) return workdirInvalid(message)
  if (wrongKind.test(message)) return mountKind(message)
  return message.startsWith('write to `/proc/sys/') ? sysctlRefused(message) : internal(message)
}
