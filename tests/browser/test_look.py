import pytest

pytestmark = pytest.mark.browser
DARK = "document.body.classList.contains('dark')"


@pytest.mark.parametrize("system", [False, True])
def test_the_theme_that_was_chosen_holds_the_next_time(visit, system):
    page = visit("?tab=methods", dark=system)
    page.wait_for_function(f"{DARK} === {str(system).lower()}")
    page.wait_for_function("window.addressRead")
    page.locator(".theme-switch").click()
    again = page.context.new_page()
    again.goto(page.url)
    again.wait_for_function(f"window.addressRead && {DARK} === {str(not system).lower()}")
    linked = page.context.new_page()
    linked.goto(page.url + f"&__theme={'dark' if system else 'light'}")  # a link says otherwise
    linked.wait_for_function(f"window.addressRead && {DARK} === {str(system).lower()}")
    for one in (again, linked):
        one.wait_for_timeout(3000)  # what it asks for at first is answered before it is closed
