/** What goes between a container and a disk of the host, by each way to get there, side by side; and what a disk costs a start. */
import { closeSync, fsyncSync, openSync, writeFileSync } from 'node:fs'
import { shippedWith } from './configuration.ts'
import type { Host } from './host.ts'
import { ms, type Result } from './report.ts'
import { runOnce } from './start.ts'
import { round, summarize } from './stats.ts'

/** MB that one measurement moves; every one has a part of the disk of its own, which no cache of the guest holds. */
const partMB = 64
/** Reads of 4 KiB, one after the other, past the guest's cache. */
const smallReads = 1000

/** The guest's clock around dd, in hundredths of a second: the busybox of Debian does not tell how long it took. */
const timed = 'read a b </proc/uptime; "$0" "$@"; read c d </proc/uptime; echo $a $c >&2'

interface Way {
  readonly label: string
  readonly settings: Readonly<Record<string, string>>
  /** What leads from the image on the host to {@link path} in the container. */
  readonly flags: (image: string, directory: string) => readonly string[]
  readonly path: string
}

const asDevice = (image: string) => ['--device', `${image}:/dev/xvda`]
const direct = {
  block_device_aio: '"native"',
  block_device_cache_set: 'true',
  block_device_cache_direct: 'true',
}
const disk = (driver: string, how: string, settings: Way['settings'] = {}): Way => ({
  label: `${driver}, ${how}`,
  settings: { block_device_driver: `"${driver}"`, ...settings },
  flags: asDevice,
  path: '/dev/xvda',
})
const ways: readonly Way[] = [
  {
    label: 'share (virtio-fs)',
    settings: {},
    flags: (_, directory) => ['-v', `${directory}:/data`],
    path: '/data/disk.img',
  },
  disk('virtio-blk', 'threads'),
  disk('virtio-scsi', 'threads'),
  disk('virtio-blk', 'native, past the host’s cache', direct),
  disk('virtio-scsi', 'native, past the host’s cache', direct),
]

export async function benchDisk(host: Host, rounds: number): Promise<Result> {
  const directory = host.stateDir
  const image = `${directory}/disk.img`
  const fill = Buffer.alloc(partMB * 1e6, 'kata-ts')
  const rows: { label: string; read: number; write: number; smallReads: number }[] = []
  for (const way of ways) {
    // A fresh image for each way: what one way wrote is in the host's cache for the next.
    writeImage(image, fill, 2 * (rounds + 1))
    rows.push({ label: way.label, ...(await measureWay(host, way, image, rounds)) })
  }
  const plug = await plugCost(host, image, rounds)
  const [share] = rows
  const ratio = (value: number, base: number) => `${(value / base).toFixed(2)}`
  return {
    name: 'disk',
    what: `dd in a container: ${partMB} MB at a time read, then written and flushed; ${smallReads} reads of 4 KiB with O_DIRECT (medians of ${rounds})`,
    tables: [
      {
        header: ['', 'read', 'of share', 'write', 'of share', '4 KiB reads', 'of share'],
        rows: rows.map((row) => [
          row.label,
          `${row.read} MB/s`,
          ratio(row.read, share!.read),
          `${row.write} MB/s`,
          ratio(row.write, share!.write),
          `${row.smallReads} /s`,
          ratio(row.smallReads, share!.smallReads),
        ]),
      },
      {
        header: ['until the first output', 'median'],
        rows: [
          ['without a disk', ms(plug.without)],
          ...plug.with.map(({ driver, median }) => [`with one, ${driver}`, ms(median)]),
        ],
      },
    ],
    notes: [
      'io_uring is closed to a confined VMM, and counts as native; native needs the way past the host’s cache',
    ],
    data: { rounds, partMB, ways: rows, plug },
  }
}

/** On the disk itself: its way there is no part of what is measured next. */
function writeImage(path: string, part: Buffer, parts: number): void {
  const fd = openSync(path, 'w')
  try {
    for (let written = 0; written < parts; written++) writeFileSync(fd, part)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

export async function measureWay(
  host: Pick<Host, 'must' | 'stateDir'>,
  way: Way,
  image: string,
  rounds: number,
) {
  const name = 'disk'
  const config = ['--config', configuration(host, way.settings)]
  await host.must([
    ...['run', '-d', '--name', name, ...config, ...way.flags(image, host.stateDir)],
    ...['--', 'sleep', '3600'],
  ])
  const dd = async (...words: string[]) => {
    const { stderr } = await host.must(['exec', name, '--', 'sh', '-c', timed, 'dd', ...words])
    const [begun, ended] = stderr.trim().split('\n').at(-1)!.split(' ').map(Number)
    if (begun === undefined || ended === undefined || !(ended > begun)) throw new Error(`dd said: ${stderr}`)
    return ended - begun
  }
  const read: number[] = []
  const write: number[] = []
  const small: number[] = []
  try {
    for (let turn = 0; turn <= rounds; turn++) {
      const part = `${2 * turn * partMB}`
      const size = ['bs=1000000', `count=${partMB}`]
      read.push(partMB / (await dd(`if=${way.path}`, 'of=/dev/null', `skip=${part}`, ...size)))
      const next = `seek=${(2 * turn + 1) * partMB}`
      write.push(partMB / (await dd('if=/dev/zero', `of=${way.path}`, next, ...size, 'conv=notrunc,fsync')))
      const begin = `skip=${turn * smallReads}`
      small.push(
        smallReads /
          (await dd(
            `if=${way.path}`,
            'of=/dev/null',
            'bs=4096',
            `count=${smallReads}`,
            begin,
            'iflag=direct',
          )),
      )
    }
  } finally {
    await host.must(['rm', '-f', name])
  }
  // The first turn fills caches.
  const median = (values: number[]) => summarize(values.slice(1)).median
  return { read: median(read), write: median(write), smallReads: Math.round(median(small)) }
}

/** Starts with and without a disk in turns, so that the load of the machine is the same for all. */
async function plugCost(host: Host, image: string, rounds: number) {
  const drivers = ['virtio-blk', 'virtio-scsi']
  const runs = new Map<string, number[]>(['none', ...drivers].map((way) => [way, []]))
  for (let turn = 0; turn <= rounds; turn++)
    for (const [way, times] of runs) {
      const settings = way === 'none' ? {} : { block_device_driver: `"${way}"` }
      const flags = ['--config', configuration(host, settings), ...(way === 'none' ? [] : asDevice(image))]
      const { firstOutputMs } = await runOnce(host, `disk-${way}-${turn}`, flags)
      // The first round fills caches.
      if (turn > 0) times.push(firstOutputMs)
    }
  const median = (way: string) => round(summarize(runs.get(way)!).median)
  return { without: median('none'), with: drivers.map((driver) => ({ driver, median: median(driver) })) }
}

/** The configuration that we ship, with other values of some keys. */
function configuration(host: Pick<Host, 'stateDir'>, settings: Way['settings']): string {
  const path = `${host.stateDir}/configuration.toml`
  writeFileSync(path, shippedWith(settings))
  return path
}
