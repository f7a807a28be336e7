/** Rules about character devices, as the guest's crun can apply them. */
import { accessOf, isAllowed, isAny } from '../devices/device-rules.ts'
import type { DeviceRule } from '../resources.ts'

/** Absent: any. */
interface Numbers {
  readonly major?: number
  readonly minor?: number
}

/**
 * Rules that leave each character device the rights that it has by `rules`, where the last one about the device and the right counts. `others` has
 * the rights to devices of which they do not speak.
 *
 * crun skips a rule that lacks one of the rights that a program asks for. After `rwm` it lets O_RDWR pass a denial of `w`. So a denial here is of all
 * rights, and what is left is allowed anew, in one rule.
 */
export function characterRules(rules: readonly DeviceRule[], others: '' | 'rwm'): DeviceRule[] {
  const leftFor = (numbers: Numbers) => {
    const about = rules.filter((rule) => isWithin(numbers, numbersOf(rule)))
    const isLeft = (right: string) => {
      const last = about.findLast((rule) => accessOf(rule).includes(right))
      return last === undefined ? others !== '' : isAllowed(last)
    }
    return [...'rwm'].filter(isLeft).join('')
  }
  const places = [...new Map(rules.map(numbersOf).map((numbers) => [keyOf(numbers), numbers])).values()]
  // A rule about one device is not to be undone by one about many.
  const widestFirst = places.sort((one, other) => anysOf(other) - anysOf(one))
  return widestFirst.flatMap((numbers) => {
    const left = leftFor(numbers)
    const wider = places.filter((place) => place !== numbers && isWithin(numbers, place))
    const before = [others, ...wider.map(leftFor)].join('')
    const isLess = [...before].some((right) => !left.includes(right))
    return [
      ...(isLess ? [{ allow: false, type: 'c', ...numbers, access: 'rwm' }] : []),
      ...(left === '' ? [] : [{ allow: true, type: 'c', ...numbers, access: left }]),
    ]
  })
}

/** In the guest a rule without a major number is about all devices, so it is here. */
function numbersOf({ major, minor }: DeviceRule): Numbers {
  if (major === undefined || isAny(major)) return {}
  return minor === undefined || isAny(minor) ? { major } : { major, minor }
}

const isWithin = (inner: Numbers, outer: Numbers): boolean =>
  (outer.major === undefined || outer.major === inner.major) &&
  (outer.minor === undefined || outer.minor === inner.minor)

const anysOf = ({ major, minor }: Numbers): number =>
  Number(major === undefined) + Number(minor === undefined)

const keyOf = ({ major, minor }: Numbers): string => `${major}:${minor}`
