"""Print the script by which a shell completes commands, options and names."""

from __future__ import annotations

import click

from gradscope.cli import completion


@click.command()
@click.argument("shell", type=click.Choice(completion.SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of SHELL, to be read when the shell starts.

    \b
    bash: echo 'source <(gradscope completion bash)' >> ~/.bashrc
    zsh:  echo 'source <(gradscope completion zsh)' >> ~/.zshrc
    fish: gradscope completion fish > ~/.config/fish/completions/gradscope.fish
    """
    from gradscope.cli import terminal

    terminal.result(completion.script(ctx.find_root().command, shell).rstrip("\n"))
