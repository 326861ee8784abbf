"""A header that is compiled once, for all sources that begin with it."""

load("@rules_cc//cc:find_cc_toolchain.bzl", "find_cpp_toolchain")
load("@rules_cc//cc/common:cc_common.bzl", "cc_common")
load("@rules_cc//cc/common:cc_info.bzl", "CcInfo")

_ACTION = "c++-compile"

def _precompiled_header_impl(ctx):
    # A copy: a compiler looks for the compiled header beside the header it finds
    # first, and that is the one in the source tree.
    folder = ctx.label.name
    name = ctx.file.header.basename
    header = ctx.actions.declare_file(folder + "/" + name)
    ctx.actions.symlink(output = header, target_file = ctx.file.header)
    files = [header]

    toolchain = find_cpp_toolchain(ctx)
    features = cc_common.configure_features(
        ctx = ctx,
        cc_toolchain = toolchain,
        requested_features = ctx.features,
        unsupported_features = ctx.disabled_features,
    )
    compiler = cc_common.get_tool_for_action(
        feature_configuration = features,
        action_name = _ACTION,
    )
    if compiler.rpartition("/")[2] in ["gcc", "g++"]:
        compiled = ctx.actions.declare_file(folder + "/" + name + ".gch")
        _compile(ctx, toolchain, features, compiler, header, compiled)
        files.append(compiled)

    own = cc_common.create_compilation_context(
        headers = depset(files),
        includes = depset([header.dirname]),
    )

    # With what it includes: it is part of what depends on this.
    return [cc_common.merge_cc_infos(
        direct_cc_infos = [CcInfo(compilation_context = own)],
        cc_infos = [
            CcInfo(compilation_context = dep[CcInfo].compilation_context)
            for dep in ctx.attr.deps
        ],
    )]

def _compile(ctx, toolchain, features, compiler, header, compiled):
    context = cc_common.merge_cc_infos(
        cc_infos = [dep[CcInfo] for dep in ctx.attr.deps],
    ).compilation_context

    # As Bazel compiles the sources that go into programs: GCC takes a compiled
    # header only where the options are the same.
    optimizes = ctx.var["COMPILATION_MODE"] == "opt"
    pic = toolchain.needs_pic_for_dynamic_libraries(feature_configuration = features)
    variables = cc_common.create_compile_variables(
        feature_configuration = features,
        cc_toolchain = toolchain,
        source_file = header.path,
        output_file = compiled.path,
        user_compile_flags =
            ctx.fragments.cpp.copts + ctx.fragments.cpp.cxxopts + ctx.attr.copts,
        include_directories = context.includes,
        quote_include_directories = context.quote_includes,
        system_include_directories = context.system_includes,
        preprocessor_defines = context.defines,
        use_pic = pic and not optimizes,
    )
    arguments = cc_common.get_memory_inefficient_command_line(
        feature_configuration = features,
        action_name = _ACTION,
        variables = variables,
    )
    ctx.actions.run(
        outputs = [compiled],
        inputs = depset(
            [header],
            transitive = [context.headers, toolchain.all_files],
        ),
        executable = compiler,
        arguments = [
            # Else GCC takes what it is given for a source,
            "-x",
            "c++-header",
            # and has no list of its headers for the sources' -fpch-deps.
            "-MD",
            "-MF",
            "/dev/null",
        ] + arguments,
        env = cc_common.get_environment_variables(
            feature_configuration = features,
            action_name = _ACTION,
            variables = variables,
        ),
        mnemonic = "CppPrecompileHeader",
        progress_message = "Precompiling %s" % ctx.file.header.short_path,
    )

precompiled_header = rule(
    doc = """What depends on it may begin with the header (`-include NAME`) at little cost.

    Only GCC gets it precompiled. Where it cannot use it, because its options are
    others, it warns (-Winvalid-pch) and reads the header itself.
    """,
    implementation = _precompiled_header_impl,
    attrs = {
        "copts": attr.string_list(doc = "The copts of what depends on it."),
        "deps": attr.label_list(providers = [CcInfo]),
        "header": attr.label(allow_single_file = [".h"], mandatory = True),
        "_cc_toolchain": attr.label(
            default = "@bazel_tools//tools/cpp:current_cc_toolchain",
        ),
    },
    fragments = ["cpp"],
    provides = [CcInfo],
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
)
