// Package supervisor runs a detailed simulation under watch: it ends one that is
// stuck, tells why, and lets nothing of it outlive this process.
//
// A job beats on three levels, and each has its own deadline: the simulator (host
// CPU time and ticks), the simulated cores (committed instructions), and the work
// (work items, the guest's console). Deadlines count the CPU time that the job
// itself has used, so that a busy machine makes no job overdue; only a simulator
// that neither uses a CPU nor waits for one is told by the wall clock. A job that is overdue, out of
// bounds or whose guest has panicked is ended by SIGINT, SIGTERM and SIGKILL to its
// process group, and ends with a job.Verdict and the evidence.
//
// What a job has measured is not looked at, except that its events must be in
// order; the caller's Check says whether the output is whole. What a verdict means
// for the next attempt is Policy's to say.
package supervisor
