// Package jsonline is the JSON form of records: one object on one line.
//
// There are two forms. AppendRecord makes the one for reading, as the range
// command prints it:
//
//	{"id":"1700000000000-5","body":{"any":"json"}}
//	{"id":"1700000000000-6","body":"text"}
//	{"id":"1700000000000-7","body":"/w==","encoding":"base64"}
//
// The body is the stored JSON value if the bytes are valid JSON, a string if
// they are UTF-8, and standard padded base64 otherwise.
//
// AppendExact makes the one for export. It always says how the body is
// encoded, as "json", "utf8" or "base64", and Parse restores every byte of it:
// a body is written as JSON only when its text can stand in the line as it is.
//
// Both add, where there is one, the key as "key", with "keyEncoding":"base64"
// if it is not UTF-8, and the headers as "headers":[["name","value"],…], where
// a header that is not UTF-8 has both in base64 and "base64" as third element.
package jsonline
