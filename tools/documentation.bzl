"""Makes source files of the examples in the documentation, so that they are compiled."""

def header_examples(name, headers, out):
    """Every ```cpp example in the comments of headers, each as a function.

    Args:
      name: of the rule.
      headers: labels of groups of headers: what percore_library(name = "x")
        calls "x_headers".
      out: the source file.
    """
    native.genrule(
        name = name,
        srcs = headers,
        outs = [out],
        cmd = """
          headers="%s"
          for header in $$headers; do
            echo "#include \\"percore/$$header\\""
          done > $@
          for header in $$headers; do
            stem=$$(basename $$header .h)
            echo "namespace percore::$${stem}_examples {"
            awk -v mode=header -f $(location //tools:cpp_examples.awk) $$header
            echo "}"
          done >> $@
        """ % " ".join(["$(locations %s)" % group for group in headers]),
        tools = ["//tools:cpp_examples.awk"],
    )

def first_example(name, document, out):
    """The first ```cpp block of a Markdown document, as it stands."""
    native.genrule(
        name = name,
        srcs = [document],
        outs = [out],
        cmd = "awk -v mode=first -f $(location //tools:cpp_examples.awk) $(location %s) > $@" % document,
        tools = ["//tools:cpp_examples.awk"],
    )
