package mssql

import (
	"encoding/binary"
	"errors"
	"unicode/utf8"
)

// Text leaves the server as raw bytes (a cast to varbinary) and goes back as raw bytes,
// because strings lose: the driver turns a lone surrogate, which nvarchar may hold, into
// U+FFFD, and does the same to bytes a code page does not define.
//
// In canonical rows nvarchar is UTF-8, with a lone surrogate written as the three bytes
// that UTF-8 would give it if it were a character (WTF-8). So every sequence of 16-bit
// units has one text and every such text one sequence.

const (
	surrogateMin, highMax      = 0xd800, 0xdbff
	lowMin, surrogateMax       = 0xdc00, 0xdfff
	supplementary              = 0x10000
	surrogateLead         byte = 0xed // first of the three bytes of any surrogate
)

var (
	errOddUTF16 = errors.New("text has an odd number of bytes, want UTF-16")
	errNotUTF8  = errors.New("text is not UTF-8 (lone surrogates allowed)")
)

// appendFromUTF16 appends UTF-16LE as WTF-8.
func appendFromUTF16(dst, raw []byte) ([]byte, error) {
	if len(raw)%2 != 0 {
		return dst, errOddUTF16
	}
	for i := 0; i < len(raw); i += 2 {
		if u := binary.LittleEndian.Uint16(raw[i:]); u < utf8.RuneSelf {
			dst = append(dst, byte(u))
			continue
		} else if r := rune(u); r < surrogateMin || r > surrogateMax {
			dst = utf8.AppendRune(dst, r)
			continue
		} else if r <= highMax && i+4 <= len(raw) {
			if low := rune(binary.LittleEndian.Uint16(raw[i+2:])); low >= lowMin && low <= surrogateMax {
				dst = utf8.AppendRune(dst, supplementary+(r-surrogateMin)<<10+(low-lowMin))
				i += 2
				continue
			}
		}
		dst = appendSurrogate(dst, binary.LittleEndian.Uint16(raw[i:]))
	}
	return dst, nil
}

func appendSurrogate(dst []byte, u uint16) []byte {
	return append(dst, surrogateLead, 0x80|byte(u>>6&0x3f), 0x80|byte(u&0x3f))
}

// surrogate reads the three bytes of a surrogate.
func surrogate(text []byte) (uint16, bool) {
	if len(text) < 3 || text[0] != surrogateLead || text[1] < 0xa0 || text[1] > 0xbf || text[2]&0xc0 != 0x80 {
		return 0, false
	}
	return 0xd000 | uint16(text[1]&0x3f)<<6 | uint16(text[2]&0x3f), true
}

// appendToUTF16 undoes appendFromUTF16. Text that it cannot have made is refused.
func appendToUTF16(dst, text []byte) ([]byte, error) {
	high := false // the unit before was a lone high surrogate
	for i := 0; i < len(text); {
		if c := text[i]; c < utf8.RuneSelf {
			dst = append(dst, c, 0)
			i++
			high = false
			continue
		}
		if r, n := utf8.DecodeRune(text[i:]); r != utf8.RuneError || n == 3 {
			if r >= supplementary {
				r -= supplementary
				dst = binary.LittleEndian.AppendUint16(dst, uint16(surrogateMin+r>>10))
				r = lowMin + r&0x3ff
			}
			dst = binary.LittleEndian.AppendUint16(dst, uint16(r))
			i += n
			high = false
			continue
		}
		u, ok := surrogate(text[i:])
		if !ok || high && u >= lowMin { // two halves of a pair must be one character
			return dst, errNotUTF8
		}
		dst = binary.LittleEndian.AppendUint16(dst, u)
		i += 3
		high = u <= highMax
	}
	return dst, nil
}
