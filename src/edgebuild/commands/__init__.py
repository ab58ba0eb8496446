"""The subcommands of ``edgebuild``, one file each: arguments in, a call of the library, exit status out."""
