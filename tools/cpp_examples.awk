# Takes the C++ examples out of documentation, so that they can be compiled.
#
#   awk -v mode=header -f cpp_examples.awk buffer/buffer.h
#       every ```cpp block in // comments, each as the body of a function
#   awk -v mode=first -f cpp_examples.awk README.md
#       the first ```cpp block, as it stands
#
# A line number directive makes the compiler's errors point to the text itself.

function stripped(line) {
  sub(/^ *\/\/ ?/, "", line)
  return line
}

{ text = mode == "header" ? stripped($0) : $0 }

!inside && text == "```cpp" && !(mode == "first" && examples > 0) {
  inside = 1
  ++examples
  if (mode == "header") print "void Example" examples "() {"
  print "#line " NR + 1 " \"" FILENAME "\""
  next
}

inside && text == "```" {
  inside = 0
  if (mode == "header") print "}"
  next
}

inside { print text }
