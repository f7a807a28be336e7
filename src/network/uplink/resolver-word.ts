/** The first argument by which the executable becomes the name server of one container's network. */
export const resolverWord = '--network-resolver'
