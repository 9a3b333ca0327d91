package mssql

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"lifeboat/internal/database"
)

// maxPrecision is SQL Server's limit of digits in a decimal; 10^38 < 2^127, so that the
// magnitude of every decimal fits two words and its two's complement 16 bytes.
const maxPrecision = 38

// number is a decimal's unscaled value: sign and magnitude.
type number struct {
	neg    bool
	hi, lo uint64
}

// parseNumber reads what the driver gives for decimal and money, "-123.45", and returns
// the digits without the point. There must be exactly scale digits behind the point.
func parseNumber(text []byte, scale int) (number, error) {
	var n number
	digits, point := 0, -1
	for i, c := range text {
		switch {
		case c == '-' && i == 0:
			n.neg = true
		case c == '.' && point < 0:
			point = digits
		case c >= '0' && c <= '9':
			var overflow bool
			if n, overflow = n.times10(uint64(c - '0')); overflow {
				return number{}, fmt.Errorf("decimal %q is out of range", text)
			}
			digits++
		default:
			return number{}, fmt.Errorf("%q is not a decimal", text)
		}
	}
	if point < 0 {
		point = digits
	}
	if digits == 0 || digits-point != scale {
		return number{}, fmt.Errorf("decimal %q does not have scale %d", text, scale)
	}
	if n.hi == 0 && n.lo == 0 {
		n.neg = false
	}
	return n, nil
}

func (n number) times10(plus uint64) (number, bool) {
	carry, lo := bits.Mul64(n.lo, 10)
	over, hi := bits.Mul64(n.hi, 10)
	lo, c := bits.Add64(lo, plus, 0)
	hi, c = bits.Add64(hi, carry, c)
	n.hi, n.lo = hi, lo
	return n, over != 0 || c != 0 || hi>>63 != 0
}

// appendCanonical appends the number as a canonical decimal.
func (n number) appendCanonical(dst []byte, scale int) []byte {
	hi, lo := n.hi, n.lo
	if n.neg {
		var b uint64
		lo, b = bits.Sub64(0, lo, 0)
		hi, _ = bits.Sub64(0, hi, b)
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], hi)
	binary.BigEndian.PutUint64(b[8:], lo)
	return database.AppendDecimal(dst, byte(scale), b[:])
}

// int64 returns the number if it fits.
func (n number) int64() (int64, bool) {
	switch {
	case n.hi != 0 || n.lo > 1<<63 || n.lo == 1<<63 && !n.neg:
		return 0, false
	case n.neg:
		return -int64(n.lo), true
	}
	return int64(n.lo), true
}

func numberFromInt(v int64) number {
	if v < 0 {
		return number{neg: true, lo: uint64(-v)} // right for the smallest too: -min is min, whose bits are 2^63
	}
	return number{lo: uint64(v)}
}

// numberFromBytes reads a canonical decimal's two's complement.
func numberFromBytes(b []byte) (number, error) {
	if len(b) == 0 || len(b) > 16 {
		return number{}, fmt.Errorf("decimal of %d bytes, want 1 to 16", len(b))
	}
	var w [16]byte
	neg := b[0] >= 0x80
	if neg {
		for i := range w {
			w[i] = 0xff
		}
	}
	copy(w[16-len(b):], b)
	n := number{neg: neg, hi: binary.BigEndian.Uint64(w[:8]), lo: binary.BigEndian.Uint64(w[8:])}
	if neg {
		var c uint64
		n.lo, c = bits.Add64(^n.lo, 1, 0)
		n.hi, _ = bits.Add64(^n.hi, 0, c)
	}
	return n, nil
}

// text writes the number with scale digits behind the point, as CopyIn takes it. It is
// an error if it has more than precision digits.
func (n number) text(precision, scale int) (string, error) {
	var buf [2*maxPrecision + 4]byte // what a precision above the limit could need is refused below
	at, digits := len(buf), 0
	for hi, lo := n.hi, n.lo; hi != 0 || lo != 0 || digits <= scale; digits++ {
		if digits > maxPrecision {
			return "", fmt.Errorf("decimal has more than %d digits", maxPrecision)
		}
		if digits == scale && scale > 0 {
			at--
			buf[at] = '.'
		}
		var r uint64
		hi, r = hi/10, hi%10
		lo, r = bits.Div64(r, lo, 10)
		at--
		buf[at] = byte('0' + r)
	}
	significant := digits
	if digits == scale+1 && n.isBelow(scale) {
		significant-- // the zero before the point does not count
	}
	if significant > precision {
		return "", fmt.Errorf("decimal has %d digits, want at most %d", significant, precision)
	}
	if n.neg {
		at--
		buf[at] = '-'
	}
	return string(buf[at:]), nil
}

// isBelow tells whether the magnitude is less than 10^exp.
func (n number) isBelow(exp int) bool {
	limit := number{lo: 1}
	for range exp {
		var over bool
		if limit, over = limit.times10(0); over {
			return true
		}
	}
	return n.hi < limit.hi || n.hi == limit.hi && n.lo < limit.lo
}
