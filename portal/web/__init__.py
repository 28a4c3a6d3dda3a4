"""The browser's side: one module per blueprint, named as its templates.

Promises: deny by default, anonymous views stand in one list; a view loads and authorizes, parses, calls one action and
redirects; what a view writes is committed once, after it returns, and undone when it raises.

A view, in one look::

    class AcceptanceForm(Form):
        seq = seq_field()                                    # the version the page was made from
        note = text_field("Note", limit=2_000)

    @blueprint.route("/cases/<name>/acceptance", methods=["GET", "POST"])
    @open_to(may_work_cases)                                 # who may reach it; others read "nothing here"
    def accept(name: str) -> ResponseReturnValue:
        case = queries.case_named(current_session(), current_actor(), name)      # or NotFound
        form = AcceptanceForm(seq=case.seq)
        if form.validate_on_submit():
            with refusals_of(form):                          # Invalid and RuleBroken land on the form, writes undone
                actions.accept_custody(current_session(), current_actor(), case, ..., now=current_now())
                return redirect(url_for("cases.case", name=name), code=303)
        return page("cases/accept.html", form, case=case)    # 422 when something has to be put right

Stale, Conflict, NotAllowed, NotFound and ProviderTrouble are raised through the view: ``errors`` answers them. Pages
extend ``base.html`` and build from ``macros/``; values go through the filters of ``display``. A new blueprint is added
to ``portal.app.BLUEPRINTS``, its menu entry to ``nav.ENTRIES``, its part of the first page by ``today.section``, its
mailed links by ``links.act``.

Modules that are no blueprint: ``gate`` (sign-in, rules, the transaction), ``signed_in`` (the cookie's token),
``errors``, ``headers``, ``forms``, ``paging``, ``display``, ``nav``.
"""
