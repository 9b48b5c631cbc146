// Package job holds what goes into a guest and what comes out of it: the job
// that the agent is to do, and the records of what it did.
//
// Both are described in ../FORMAT.md. Readers are strict and report every
// mistake at once; a stream of records that is cut off, damaged, out of order
// or without its end is an error, so that no failure passes for success. The
// package touches no file and no device: agent, QEMU harness and the gem5 back
// end share it.
package job
