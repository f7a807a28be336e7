/**
 * A double of Firecracker, for tests where the real program cannot be had: the same command line, the same API, the same
 * demands on what its user may open in its jail, and a guest that really runs, with QEMU underneath. No part of the
 * product.
 */

import { exit, filterThread, listen, nameThread, openKvm } from 'double'
import { err, open, out } from 'std'
import '../../../../guest/agent/src/system/polyfills.ts'
import { createLoop } from '../../../../guest/agent/src/devices/loop.ts'
import { serveHttp } from '../../common/src/http.ts'
import { parseArguments } from './command-line.ts'
import { Vmm } from './vmm.ts'

const version = '1.16.1'
/** Its exit codes (FcExitCode). */
const [genericError, argumentError] = [1, 153]

function main(): void {
  const options = parseArguments(scriptArgs.slice(1))
  if (options === 'version') {
    out.puts(`Firecracker v${version}-double\n`)
    out.flush()
    exit(0)
  }
  if (typeof options === 'string') fail(`Arguments parsing ${options}`, argumentError)
  const loop = createLoop()
  try {
    const log = options.logPath === undefined ? out : open(options.logPath, 'w')
    if (log === null) fail(`Logger error: ${options.logPath}`, genericError)
    // The thread that serves the API has a filter from its first moment.
    nameThread('fc_api')
    filterThread()
    const say = (text: string) => {
      log.puts(`${new Date().toISOString()} [${options.id}:main] ${text}\n`)
      log.flush()
    }
    const fault = () => {
      say('[ERROR] Unexpected exit reason on vcpu run: Shutdown')
      fail('RunWithApi(MicroVMStoppedWithError(GenericError))', genericError)
    }
    const vmm = new Vmm({ loop, id: options.id, version, say, openKvm, exit, fault })
    serveHttp(loop, listen(options.apiSocket), {
      prefix: '/',
      server: 'Firecracker API',
      handle: (request) => vmm.handle(request),
    })
  } catch (error) {
    fail(`RunWithApiError error: ${(error as Error).message}`, genericError)
  }
}

function fail(reason: string, code: number): never {
  err.puts(`Error: ${reason}\n`)
  err.flush()
  exit(code)
}

main()
