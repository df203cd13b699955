import pytest
from models.cases import images

from cortado.models import JetImageCNN


@pytest.mark.parametrize("pixels, channels", [(25, 1), (40, 4), (64, 1), (18, 2)])
def test_sizes_of_the_papers(pixels, channels):
    model = JetImageCNN(pixels=pixels, channels=channels, classes=3)
    assert model(*images([1] * 4, channels=channels, pixels=pixels)).shape == (4, 3)


def test_image_too_small_for_the_poolings_is_refused():
    with pytest.raises(ValueError, match=r"pixels must be at least 18 .* got 17"):
        JetImageCNN(pixels=17)


def test_other_images_than_the_models_are_refused():
    with pytest.raises(ValueError, match=r"channels=1, pixels=25, but .* shape \(1, 40, 40\)"):
        JetImageCNN()(*images([1], pixels=40))
