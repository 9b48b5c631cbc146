// Package reality asks how far the simulator's answers are from a real machine.
//
// Real functions run on one core of this machine under an open-loop load, and
// are measured on the same core, one by one, in the same run, condition by
// condition. From these samples the cluster model predicts what the load must
// have seen. Both stand side by side in a Report, with their intervals and the
// error of the prediction.
//
// # What is compared
//
// One core serves the calls of all functions first come, first served: package
// openloop makes them one at a time, and what waits, waits in the client. The
// model has one node with one core, on which no sandbox refuses a call, so that
// the order of the calls is the same. Both face the very same arrivals: round r of
// the load draws them from the streams of replication r of the scenario.
//
// A response time is measured from the planned arrival to the reply at the
// client. What serves in reality is then the core together with the client's part
// of a call, so that the model gets round trips as they are: nothing is
// subtracted for the null call, and the core is held until the reply is there.
//
// The condition of a call is what the interleave model makes of the calls in
// between, as in any other run. Which condition a real call met follows from the
// same order of calls, so the report compares service times condition by condition
// as well: an error of the response time that has its reason there shows where.
//
// # What it cannot see
//
// The work that a process does after its reply is in no round trip, but delays
// what follows at once. A core that was idle for long is slower than one that has
// just served (After compares the two); KeepAwake of package host removes the
// part of it that is sleep. Others on the machine disturb both, and not alike:
// Machine says how busy they were, and Busy whether that was too much.
//
// On a virtual machine the hypervisor is one of these others. It takes a core away for
// milliseconds at a time, rarely: hardly one of some thousand samples meets that, but
// every call of the load that arrives meanwhile waits, so that the measured p99 is
// that of the stalls and the predicted one lies far below it, while the median is met.
// This is why no table of such a machine is kept here; one without steal is needed.
package reality
