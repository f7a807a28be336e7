/**
 * The annotation of a container by which our host tells our agent the compiled form of its seccomp profile: struct
 * sock_filter[] in base64. The host takes away what others wrote there.
 */
export const seccompFilterAnnotation = 'io.kata-ts.seccomp-filter'
