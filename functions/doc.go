// Package functions is the catalog of serverless functions: how each one is
// started, what is sent to it and how its reply is told right from wrong.
//
// A function is a folder with a function.yaml beside its program. The catalog
// holds vSwarm-compatible functions of its own (Load) and reads a user's (Read).
// Function.Call makes the n-th request of an input class, encoded before anything
// is measured, together with a check of the reply's content that computes
// its expectation independently of the function. Both are pure functions of
// class, seed and n.
//
// The package starts no process, measures nothing and asks for no clock: the host
// back end and the guest agent do, and use Client to send the raw bytes.
package functions
