// Package qemu boots a guest in QEMU's emulation and says how that ended.
//
// It splits the blame: a guest that panics, hangs or dies is a Result with a
// Verdict and the end of its console; an error of Run means that no guest was
// run, because something is missing on this machine, a parameter is impossible
// or the context ended. The disk image is never changed. QEMU leads its own
// process group and ends with this process.
package qemu
