"""The book of mistakes: what students get wrong, as edits of a model solution.

A page is text: a function as a good student would write it, and below it what goes wrong in it. A
mistake is an id, a sentence, and one line for each way to make it:

    def linear(x, W, b):
        y = x @ W
        return y + b

    LIN-02  You transpose W. It has shape (D, M) already: y = x W + b.
        y = x @ W.T
    LIN-12  Convention: you apply an activation, as other libraries do. Here the layer has
            none.
        return np.{tanh|exp}(y + b)

The line takes the place of the model's last line that assigns the same name. A line that uses the
name itself, as y = 2 * y, comes after that; or first of all where the name is a parameter. So
`return` and `for` take the place of the return and of the loop's head. `eps=1e-6` is another
default, `@wrap` hands the whole function to wrap(function, *arguments). "; " joins what belongs to
one way, {a|b} makes two. "Convention: " marks what is right elsewhere.

`also linear: LIN-02` takes over a mistake of another function: through the call of it or, where it
is not called, by the same line. `also linear, "In the first layer. "` takes over all of them, with
these words in front; a line below it is made as well, and passes the mistake on to what it calls.
LIN-02/1 is the first way of LIN-02, LIN- is all that begin so. `use NAME(a, b)` stands for the
lines below `template NAME(A, B)`, with a for {A}. `in linear:` begins a page that adds to another.

engine.py makes one function of a page, with a switch for each way: "linear: y = x @ W.T". Lines
may call NumPy, other functions of the book and what is in helpers.py.
"""

from pathlib import Path

from .engine import Book

BOOK = Book(sorted(Path(__file__).parent.glob("*.txt")))
