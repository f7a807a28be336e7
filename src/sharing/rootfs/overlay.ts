/** The options of an overlay. */
import { closeSync } from 'node:fs'
import { openDirectory } from '../source.ts'

/**
 * Calls `use` with the same options, the lower layers named by descriptors: so the kernel follows no link in their paths. Such names are
 * short: 200 of them fit into the option page of mount(2), on every kernel. They hold as long as `use` runs, and in this process alone.
 *
 * @throws those of {@link openDirectory}.
 */
export function withOpenLayers(data: string, container: string, use: (data: string) => void): void {
  const open: number[] = []
  const nameOf = (layer: string): string => {
    const fd = openDirectory(layer, container)
    open.push(fd)
    return `/proc/self/fd/${fd}`
  }
  try {
    const short = overlayOptions(data).map(([key, value]) => {
      if (key === 'lowerdir') return `${key}=${splitLayers(value).map(nameOf).join(':')}`
      return value === undefined ? key : `${key}=${value}`
    })
    use(short.join(','))
  } finally {
    open.forEach(closeSync)
  }
}

/** Splits overlay options at unescaped commas. */
export function overlayOptions(data: string): [string, string | undefined][] {
  const parts = data.match(/(?:\\.|[^,\\])+/gs) ?? []
  return parts.map((part) => {
    const equals = part.indexOf('=')
    return equals < 0 ? [part, undefined] : [part.slice(0, equals), part.slice(equals + 1)]
  })
}

/** Splits `a:b:c` at unescaped colons, and unescapes the parts. */
export function splitLayers(value = ''): string[] {
  const parts = value.match(/(?:\\.|[^:\\])+/gs) ?? []
  return parts.map((part) => part.replace(/\\(.)/gs, '$1'))
}
