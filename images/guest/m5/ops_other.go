//go:build !amd64 && !arm64

package m5

func instructions() map[Op]func(a, b, c, d uint64) uint64 { return nil }
