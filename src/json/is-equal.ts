/**
 * Whether two values of plain objects, arrays and primitives are the same to their leaves; a missing field is not one that is undefined. node:util has
 * the same; loading it takes half a mebibyte, which every shim would hold.
 */
export const isEqual = (one: unknown, other: unknown): boolean => Bun.deepEquals(one, other, true)
