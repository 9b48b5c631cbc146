// Package experiment runs a scenario: every combination of its factors' levels,
// every replication under common random numbers, on all processors, and turns
// what the cluster model recorded into estimates with intervals.
//
// A Result is a pure function of (scenario, seed, sample set): replications are
// independent and merged in their order, so the number of processors changes
// nothing.
package experiment
