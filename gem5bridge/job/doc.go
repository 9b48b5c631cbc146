// Package job keeps the records of detailed simulations: which run on this
// machine, how far each is, and which process each of them is.
//
// A registry is a folder with one file per job, written aside and renamed, so
// that any process may read it at any time. The job's supervisor alone writes
// its record while it lives; only when it is gone may another process close the
// record. A job is known by its run id, its process's pid and start time, and
// the boot id of the machine: End signals nothing that it cannot match on all of
// them, so that neither a stranger who has inherited a pid nor a job of another
// machine on a shared disk is ever touched.
//
// The package starts no process and judges none: package supervisor does.
package job
