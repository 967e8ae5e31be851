import pytest

pytestmark = pytest.mark.browser
DARK = "document.body.classList.contains('dark')"


@pytest.mark.parametrize("system", ["light", "dark"])
def test_the_theme_that_was_chosen_holds_the_next_time(browser, page_address, system):
    context = browser.new_context(color_scheme=system)

    def opened(dark, more=""):
        page = context.new_page()
        page.goto(f"{page_address}?tab=methods{more}")
        page.wait_for_function(f"window.addressRead && {DARK} === {str(dark).lower()}")
        return page

    of_system = system == "dark"
    opened(of_system).locator(".theme-switch").click()
    opened(not of_system)
    linked = opened(of_system, f"&__theme={system}")  # a link says otherwise
    linked.wait_for_timeout(4000)  # what the pages ask for at first is answered before they close
    context.close()
