//go:build linux

// Package guest is the agent inside the simulated machine, PID 1: it furnishes
// the machine, finds its job, has package driver do it in containers, writes the
// records out and ends the machine.
//
// The agent, crun and the dependencies are confined to core 0 by control groups,
// so that no thread of theirs ever runs on core 1, which the functions have for
// themselves. Every way in which the agent ends leaves an End record with its
// reason, if records can be written at all; nothing fails silently. FORMAT.md
// describes jobs, records and what lies in the image.
package guest
