// Package trial answers whether every function of an image works: it boots the
// image once, has the guest agent invoke each function cold, warm and lukewarm in
// its container, and tells for each of them whether every reply was right.
//
// A function that answers wrongly, dies, hangs or is not ready in time fails by
// name with the reason that the agent gave; so does every function that was still
// to be tried when a guest ended early. No outcome is taken from silence.
//
// Where instructions are counted, a call's count has those of everything that
// its core did between request and reply, kernel and all, but no time: emulation
// says nothing about speed.
package trial
